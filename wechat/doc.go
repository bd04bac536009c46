// Package wechat speaks WeChat's HTTP API for package wxlogin: providers that
// exchange a client's code, what WeChat offers around login (access_tokens,
// session_key checks, phone numbers), and WeChat's error as a struct.
//
// Every call of this package keeps the same promises. Values are escaped. The
// answer is read up to 64 KiB and decoded by its body, because WeChat labels
// JSON as text/plain. Redirects are not followed. A request is sent once per
// attempt, and there is a second attempt in three cases alone: WeChat answered
// errcode -1, "busy"; it refused the access_token, and there is another one; it
// refused the AppSecret, and [WithNextSecret] gave another one. An error belongs to
// one class of package wxlogin, and what WeChat itself said is in it as an [Error];
// no error carries the URL's query, the AppSecret, an access_token, a code or any
// part of an answer except errcode, errmsg and rid.
package wechat
