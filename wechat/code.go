package wechat

import (
	"fmt"
	"strings"

	"github.com/ginwx/wxlogin"
)

// maxCode is far above the 32 characters seen; WeChat documents no length.
const maxCode = 256

// checkCode reports a code that WeChat cannot have made. Blanks are allowed: the
// developer tools send "the code is a mock one" without an app id.
func checkCode(code string) error {
	switch {
	case code == "":
		return fmt.Errorf("%w: the code is empty", wxlogin.ErrBadRequest)
	case len(code) > maxCode:
		return fmt.Errorf("%w: the code is longer than %d bytes", wxlogin.ErrBadRequest, maxCode)
	case strings.ContainsFunc(code, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("%w: the code is not printable ASCII", wxlogin.ErrBadRequest)
	}
	return nil
}
