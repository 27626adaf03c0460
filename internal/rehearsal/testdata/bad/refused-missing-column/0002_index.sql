CREATE INDEX items_colour ON items(colour);
