"""Charts that a person can read: SVG with axes, units, tooltips and a table for each."""
