INSERT INTO proof SELECT 'keyless', (SELECT count(*) FROM keyless) = 3;
INSERT INTO proof SELECT 'pairs', (SELECT group_concat(a || b || v) FROM pairs) = 'a2.5z,a1.0x,B1.0y';
INSERT INTO proof SELECT 'texts', (SELECT count(*) FROM texts) = 5;
INSERT INTO proof SELECT 'made', (SELECT sum(area) FROM made) = 13;
INSERT INTO counted(v) VALUES ('d');
INSERT INTO proof SELECT 'counted', (SELECT max(id) FROM counted) = 4;
INSERT INTO proof SELECT 'found', (SELECT count(*) FROM found WHERE found MATCH 'two') = 2;
INSERT INTO proof SELECT 'place', (SELECT count(*) FROM place WHERE b >= 1) = 2;
