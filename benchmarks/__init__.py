"""What it costs. A package of its own, since Opacus installs one called `benchmarks` too."""
