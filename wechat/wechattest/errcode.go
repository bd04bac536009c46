package wechattest

// errText is the errmsg that goes with an errcode, without the request id. Texts that public material does not
// show on the wire are marked unconfirmed.
func errText(code int) string {
	switch code {
	case -1:
		return "system error"
	case 40002:
		return "invalid grant_type"
	case 40013:
		return "invalid appid"
	case 40029:
		return "invalid code"
	case 40125:
		return "invalid appsecret"
	case 40163:
		return "code been used"
	case 40226:
		return "code blocked" // unconfirmed
	case 40243:
		return "AppSecret has been frozen" // unconfirmed, also on code2Session at all
	case 41002:
		return "appid missing"
	case 41004:
		return "appsecret missing"
	case 41008:
		return "missing code"
	case 43001:
		return "require GET method" // unconfirmed
	case 45009:
		return "reach max api daily quota limit"
	case 45011:
		return "api minute-quota reach limit  mustslower  retry next minute"
	case 50002:
		return "user limited" // unconfirmed
	case 50007:
		return "account is frozen" // unconfirmed
	}
	return "error" // a code that only a test's script knows
}
