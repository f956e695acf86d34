-- What a client of the private stream has missed: the events of its account after the last it has seen. Fills have an
-- index of their own (0001), for pages of fills among many other events: so each event is in one of the two.
CREATE INDEX order_events_others_of_account ON order_events (account, event_seq) WHERE type <> 'filled';
