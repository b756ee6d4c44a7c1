"""Force: kills, damage, full disks, crowds and strange streams, counted and tabled by `make torture`."""
