"""The pages of the settings: everybody's own, and what administrators decide for all."""
