package sqlstore

import "time"

// maxTTL keeps the arithmetic far from its limits.
const maxTTL = 100 * 365 * 24 * time.Hour

func milliseconds(ttl time.Duration) int64 {
	return max(1, min(ttl, maxTTL).Milliseconds())
}
