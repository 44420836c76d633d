package app

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/internal/doctor"
	"github.com/longhaul-jobs/longhaul/internal/redisurl"
	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// What a doctor needs of others.
var _ doctor.Store = (*results.Store)(nil)

// Examine looks over everything that a worker with this configuration depends
// on. What is wrong is in the report; the error is that of a configuration with
// which nothing could be looked at.
func Examine(ctx context.Context, cfg config.Config, version string, log *slog.Logger) (doctor.Report, error) {
	rdb, err := NewRedis(cfg, log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rdb.Close() }() // nothing was written that could be lost
	subject, err := redisSubject(cfg, rdb)
	if err != nil {
		return nil, err
	}
	defer closeAll(subject.Sentinels)
	report := subject.Inspect(ctx)
	if answers := report[0].Status == doctor.OK; answers {
		report = append(report, examineInstallation(ctx, cfg, rdb, version, log)...)
	}
	endpoints, closeEndpoints, err := endpointSubjects(cfg, version)
	if err != nil {
		return nil, err
	}
	defer closeEndpoints()
	addr := cfg.Webhooks.Addr
	if addr == "" {
		addr = cfg.HTTP.Addr
	}
	report = append(report, doctor.InspectEndpoints(ctx, endpoints)...)
	return append(report, doctor.InspectWebhooks(addr, endpoints)...), nil
}

// RedisAdvice says what to do about an error with which a Redis that answers refuses
// the user, a command or a key, "" for any other.
func RedisAdvice(err error) string { return doctor.Refusal(err) }

// redisSubject is the configured Redis, as a doctor looks at it.
func redisSubject(cfg config.Config, rdb redis.UniversalClient) (doctor.Redis, error) {
	url, err := redisurl.Parse(cfg.Redis.URL.Reveal())
	if err != nil {
		return doctor.Redis{}, jobs.Invalid("redis.url", "%v", err)
	}
	sentinels, err := results.ConnectSentinels(cfg.Redis.URL.Reveal())
	if err != nil {
		return doctor.Redis{}, jobs.Invalid("redis.url", "%v", err)
	}
	return doctor.Redis{
		Client: rdb, Sentinels: sentinels, URL: url, Prefix: cfg.Redis.Prefix,
		WaitReplicas: cfg.Redis.WaitReplicas, WaitDisk: cfg.Redis.WaitDisk,
	}, nil
}

func closeAll(sentinels []*redis.SentinelClient) {
	for _, s := range sentinels {
		_ = s.Close() // only questions were asked
	}
}

// examineInstallation looks at what is under the prefix, and starts nothing there.
func examineInstallation(ctx context.Context, cfg config.Config, rdb redis.UniversalClient, version string, log *slog.Logger) doctor.Report {
	failed := func(err error) doctor.Report {
		return doctor.Report{{Check: "installation", Status: doctor.Fail, Found: err.Error(), Advice: "see the findings about Redis"}}
	}
	there, err := results.Installed(ctx, rdb, cfg.Redis.Prefix)
	if err != nil {
		return failed(err)
	}
	blobs, wrong := openBlobs(ctx, cfg, true)
	if !there || wrong != nil {
		looked := doctor.InspectBlobs(ctx, cfg.Blobs.URL, func(ctx context.Context) (bool, error) {
			if wrong != nil {
				return false, wrong
			}
			return false, blobs.Check(ctx)
		})
		found := "there is one under the prefix " + cfg.Redis.Prefix + "; it is looked at once the blob store is right"
		if !there {
			found = "none yet under the prefix " + cfg.Redis.Prefix + "; the first worker or job starts it"
		}
		return doctor.Report{{Check: "installation", Status: doctor.OK, Found: found}, looked}
	}
	settings, err := StoreConfig(cfg, blobs, false)
	if err != nil {
		return failed(err)
	}
	store, err := results.Open(ctx, rdb, settings, log, nil)
	if err != nil {
		return failed(err)
	}
	return doctor.Installation{
		Prefix: cfg.Redis.Prefix, Version: version, Blobs: cfg.Blobs.URL, Lanes: slices.Sorted(maps.Keys(cfg.Lanes)),
	}.Inspect(ctx, store)
}

// endpointSubjects are all endpoints of the configuration, with a client of each
// whose key is there.
func endpointSubjects(cfg config.Config, version string) (subjects []doctor.Endpoint, closeClients func(), err error) {
	var clients []*responses.Client
	closeClients = func() {
		for _, c := range clients {
			c.Close()
		}
	}
	for i, e := range cfg.AllEndpoints() {
		s := doctor.Endpoint{
			Name: e.Name, BaseURL: e.BaseURL, Served: e.APIKey.Reveal() != "", Setting: keySetting(e),
			Model: cfg.OpenAI.Model, Needed: cfg.Lanes[jobs.DefaultLane].Endpoint == e.Name, Secrets: len(e.WebhookSecrets),
		}
		if i == 0 {
			s.Setting = "OPENAI_API_KEY"
		}
		if s.Served {
			client, err := responses.New(responses.Config{
				Name: e.Name, BaseURL: e.BaseURL, APIKey: e.APIKey.Reveal(), Organization: e.Organization, Project: e.Project,
				UserAgent: "longhaul/" + version,
			}, prometheus.NewRegistry())
			if err != nil {
				closeClients()
				return nil, nil, err
			}
			clients, s.Models = append(clients, client), client
		}
		subjects = append(subjects, s)
	}
	return subjects, closeClients, nil
}

// warnOfRedis tells of what about Redis may cost jobs, in the words of the doctor.
func (a *App) warnOfRedis(ctx context.Context) {
	if a.options.Embedded {
		return
	}
	subject, err := redisSubject(a.options.Config, a.rdb)
	if err != nil {
		a.log.WarnContext(ctx, "redis not looked over", slog.Any("err", err))
		return
	}
	defer closeAll(subject.Sentinels)
	for _, f := range subject.Dangers(ctx) {
		a.log.WarnContext(ctx, "redis is not set up safely; see worker doctor", slog.String("check", f.Check),
			slog.String("found", f.Found), slog.String("advice", f.Advice))
	}
}

// keySetting is what to set for an endpoint to have another key.
func keySetting(e config.Endpoint) string {
	switch {
	case e.KeyVariable != "":
		return e.KeyVariable
	case e.APIKey.Reveal() != "":
		return "endpoints." + e.Name + ".api_key"
	}
	return "endpoints." + e.Name + ".api_key_env"
}
