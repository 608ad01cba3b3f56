"""Tests with a known rate of false alarms."""
