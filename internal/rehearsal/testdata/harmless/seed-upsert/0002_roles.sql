INSERT INTO roles(name, label) VALUES ('admin', 'Admins'), ('viewer', 'Viewers') ON CONFLICT (name) DO UPDATE SET label = excluded.label;
INSERT INTO roles(name) VALUES ('editor') ON CONFLICT DO NOTHING;
