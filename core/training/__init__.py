"""Background training: run folders, the runner that queues and watches them, the worker that does the work."""
