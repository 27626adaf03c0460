UPDATE items SET price = 1{{ + 1*120}} WHERE id = 1;
