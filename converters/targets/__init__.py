"""What toolchains take: targets as data, networks checked against them and rewritten; importing it brings no torch."""
