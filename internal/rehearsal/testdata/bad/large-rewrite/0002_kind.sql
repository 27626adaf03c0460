UPDATE events SET kind = upper(kind) WHERE kind <> '';
