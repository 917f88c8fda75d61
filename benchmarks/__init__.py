"""Speed, start-up and memory of mdm, measured as ratios in one run."""
