CREATE /* c; */ TRIGGER -- x;
  x AFTER INSERT ON t BEGIN SELECT 1; END /* end of x */ ;
CREATE TABLE y(a);
