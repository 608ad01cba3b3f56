"""The paper's identities, proved with symbols."""
