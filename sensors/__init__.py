"""What starts work: sensors gather facts, pure functions decide, run requests come out."""
