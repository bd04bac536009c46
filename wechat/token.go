package wechat

import (
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/ginwx/wxlogin"
)

// WeChat has a new token ready five minutes before the end of the old one. Each
// instance asks for it at a random moment of the first two of these minutes.
const (
	minLead = 170 * time.Second
	maxLead = 290 * time.Second
)

// token is an access_token.
type token struct {
	secret wxlogin.Secret
	ends   time.Time
	renew  time.Time // from here on another one is asked for, while this one serves
}

// newToken gives a token a random time of renewal. What lives shorter than it
// should is asked for at half of its life.
func newToken(secret wxlogin.Secret, ends time.Time) token {
	lead := minLead + rand.N(maxLead-minLead)
	if half := time.Until(ends) / 2; lead > half {
		lead = half
	}
	return token{secret: secret, ends: ends, renew: ends.Add(-lead)}
}

// serves reports whether t is a token that lives and is not the stale one.
func (t token) serves(now time.Time, stale wxlogin.Secret) bool {
	return !t.secret.IsZero() && now.Before(t.ends) && !t.secret.Equal(stale)
}

// sharedToken is how a token is written into a ledger.
type sharedToken struct {
	Token string `json:"access_token"`
	Ends  int64  `json:"ends"` // Unix milliseconds
}

func (t token) encode() wxlogin.Secret {
	text, _ := json.Marshal(sharedToken{t.secret.Reveal(), t.ends.UnixMilli()}) // texts always encode
	return wxlogin.NewSecret(string(text))
}

// decodeToken returns the zero token where text is not one of encode.
func decodeToken(text wxlogin.Secret) token {
	var shared sharedToken
	if json.Unmarshal([]byte(text.Reveal()), &shared) != nil || shared.Token == "" {
		return token{}
	}
	return newToken(wxlogin.NewSecret(shared.Token), time.UnixMilli(shared.Ends))
}
