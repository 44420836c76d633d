package results

import (
	"context"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// Listen hears what other processes say that they have made due at once, until
// ctx is done. While it runs, [Store.ClaimLooks], [Store.ClaimDue] and
// [Store.Admit] ask Redis only for what may be due; without it they ask for
// everything each time. A server that lets nobody listen, or a message that is
// lost, delays what others have made due by moments and loses nothing.
func (s *Store) Listen(ctx context.Context) error {
	s.horizon.listen(true, false)
	defer s.horizon.listen(false, false)
	sub := s.rdb.Subscribe(ctx, s.pokesChannel())
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() }) // which ends the channel
	defer stop()
	for message := range sub.ChannelWithSubscriptions(redis.WithChannelSize(1000)) {
		switch message := message.(type) {
		case *redis.Subscription: // the first, or after the connection was lost
			s.horizon.listen(true, message.Kind == "subscribe")
			s.log.DebugContext(ctx, "listening to other processes", slog.String("kind", message.Kind))
		case *redis.Message:
			s.horizon.written(message.Payload, 0)
		}
	}
	return nil
}
