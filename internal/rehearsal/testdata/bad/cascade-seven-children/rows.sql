INSERT INTO projects VALUES ('p', 'one'), ('q', 'two');
INSERT INTO c1(project_id) VALUES ('p');
INSERT INTO c2(project_id) VALUES ('p'), ('q');
INSERT INTO c3(project_id) VALUES ('p');
INSERT INTO c4(project_id) VALUES ('q'), ('q'), ('q');
INSERT INTO c5(project_id) VALUES ('p');
INSERT INTO c6(project_id) VALUES ('q');
INSERT INTO c7(project_id) VALUES ('p'), (NULL);
