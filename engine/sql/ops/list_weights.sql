-- The workspaces that somebody has given a weight, the heaviest first.
SELECT workspace, weight FROM engine.weight ORDER BY weight DESC, workspace
