// Package wechat speaks WeChat's HTTP API for package wxlogin: providers that
// exchange a client's code, and WeChat's error as a struct.
//
// Every call of this package keeps the same promises. Values are escaped. The
// answer is read up to 64 KiB and decoded by its body, because WeChat labels
// JSON as text/plain. Redirects are not followed. A request is sent once per
// attempt, and there is a second attempt in one case alone: WeChat answered
// errcode -1, "busy". An error belongs to one class of package wxlogin, and what
// WeChat itself said is in it as an [Error]; no error carries the URL's query, the
// AppSecret, a code or any part of an answer except errcode, errmsg and rid.
package wechat
