// fasthttp on one processor: an answer.  fasthttp PORT
package main

import (
	"os"
	"runtime"

	"github.com/valyala/fasthttp"
)

func main() {
	runtime.GOMAXPROCS(1)
	answer := func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("text/plain")
		ctx.WriteString("Hello, World!")
	}
	panic(fasthttp.ListenAndServe("127.0.0.1:"+os.Args[1], answer))
}
