"""Tests mirror the tree. What several share stands beside this file: the model, generators, readable helpers."""
