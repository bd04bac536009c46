package wechattest

// errText is the errmsg that goes with an errcode, without the request id. Texts that public material does not
// show on the wire are marked unconfirmed.
func errText(code int) string {
	switch code {
	case -1:
		return "system error"
	case 40001:
		return "invalid credential, access_token is invalid or not latest"
	case 40002:
		return "invalid grant_type"
	case 40003:
		return "invalid openid"
	case 40013:
		return "invalid appid"
	case 40014:
		return "invalid access_token"
	case 40029:
		return "invalid code"
	case 40125:
		return "invalid appsecret"
	case 40163:
		return "code been used"
	case 40164:
		return "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist"
	case 40226:
		return "code blocked" // unconfirmed
	case 40243:
		return "AppSecret has been frozen" // unconfirmed, also on code2Session at all
	case 41001:
		return "access_token missing"
	case 41002:
		return "appid missing"
	case 41004:
		return "appsecret missing"
	case 41008:
		return "missing code"
	case 41009:
		return "missing openid" // unconfirmed
	case 42001:
		return "access_token expired"
	case 43001:
		return "require GET method" // unconfirmed
	case 43002:
		return "require POST method"
	case 45009:
		return "reach max api daily quota limit"
	case 45011:
		return "api minute-quota reach limit  mustslower  retry next minute"
	case 47001:
		return "data format error"
	case 50002:
		return "user limited" // unconfirmed
	case 50007:
		return "account is frozen" // unconfirmed
	case 87007:
		return "session_key is not existed or expired"
	case 87008:
		return "invalid sig_method"
	case 87009:
		return "invalid signature"
	case 10001000:
		return "code过期" // unconfirmed
	case 10001001:
		return "code错误"
	case 10001002:
		return "appid错误" // unconfirmed, by the look of its neighbours
	case 10001003:
		return "appsecret错误"
	case 10001004:
		return "grant_type错误" // unconfirmed, by the look of its neighbours
	case 10001005:
		return "未开启身份管理" // unconfirmed
	}
	return "error" // a code that only a test's script knows
}
