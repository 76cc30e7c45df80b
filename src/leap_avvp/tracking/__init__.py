"""What a run tells its loggers (W&B, CSV, TensorBoard): curves, dashboards, pictures."""
