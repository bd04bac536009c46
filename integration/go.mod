module github.com/ginwx/wxlogin/integration

go 1.25.0

require github.com/ginwx/wxlogin v0.0.0

replace github.com/ginwx/wxlogin => ../
