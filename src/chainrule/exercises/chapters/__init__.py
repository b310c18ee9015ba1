"""One file a chapter: what its exercises ask for, and which wrong answers are recognised."""
