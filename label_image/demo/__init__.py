"""A page in the browser of this machine that labels photos and shows the evidence for each label."""
