"""What every training needs, wherever it stands: augmentation, and state that survives."""
