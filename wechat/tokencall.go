package wechat

import "github.com/ginwx/wxlogin"

// tokenCallClass is what the calls with an access_token have in common; each has a
// table of its own before it. The documents give these errcodes in a general list.
func tokenCallClass(errcode int) error {
	switch errcode {
	case 45009, 45011: // quota of the day, of the minute
		return wxlogin.ErrRateLimited
	case 41001, // access_token missing
		43001, 43002, // GET or POST required
		47001,        // JSON required
		40164, 61004, // address not on the list of allowed ones
		48001,        // the app has no right to this call
		50002, 50007: // app restricted or frozen
		return wxlogin.ErrMisconfigured
	default:
		// -1 after the second attempt; 40001, 40014 and 42001 of the second
		// access_token, too; and what we do not know.
		return wxlogin.ErrUpstreamUnavailable
	}
}
