"""Figure 2: triangles of a region, and a triangle as a sum of signed cones."""
