"""Finding the way: obstacle grid, routes, pose tracking, and the task that control refines."""
