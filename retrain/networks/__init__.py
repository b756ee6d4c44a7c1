"""The small networks of the tutorials, a file each, for --weights none; each names its paper or its tutorial."""
