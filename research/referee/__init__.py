"""The referee of a contest: which quantity ranks networks as their generalization gap does."""
