"""For people: what runs, inspects, feeds and measures a venue."""
