package simulator

import "time"

// expect notes that the end of a response is going to be told, with the fault that is chosen, and
// reports false if that was known.
func (s *store) expect(r *record, choose func() *FaultAction) (fault *FaultAction, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.expected {
		return nil, false
	}
	r.expected, r.webhook = true, choose()
	return r.webhook, true
}

// inFlight returns the responses that have not ended.
func (s *store) inFlight(now time.Time) []*record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*record
	for _, r := range s.records {
		if r.ended(now.UnixNano()) == 0 {
			list = append(list, r)
		}
	}
	return list
}

// announce returns what to tell of the end of a response, and what is to go wrong, once. It
// reports false if it was told before, or the response is deleted.
func (s *store) announce(r *record, now time.Time) (n notice, fault *FaultAction, ok bool) {
	at := now.UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.announced || r.deleted {
		return n, nil, false
	}
	r.announced = true
	n = notice{responseID: r.id, status: r.status(at), at: r.ended(at)}
	if n.at == 0 { // it is told early
		n.status, n.at = r.outcome, at
	}
	return n, r.webhook, true
}

// withhold notes that a fault kept the end of a response from being told.
func (s *store) withhold(r *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.withheld = true
	s.totals.WebhooksWithheld++
}

// delivered notes what became of a webhook that was sent.
func (s *store) delivered(d *delivery, taken bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.totals.WebhooksSent++
	d.record.webhooks++
	switch {
	case d.forge != "":
		d.record.forged = true
		s.totals.WebhooksForged++
		if taken {
			s.totals.WebhooksForgedTaken++
		}
	case !taken:
		s.totals.WebhooksRefused++
	default:
		s.totals.WebhooksDelivered++
		if d.record.told == 0 {
			d.record.told = now.UnixNano()
		}
	}
}
