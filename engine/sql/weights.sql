-- What workspaces weigh, where somebody has said so.
SELECT share, weight FROM engine.weight
