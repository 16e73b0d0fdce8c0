"""genlab: put any theory of generalization to the test on any training run."""
