// Go's net/http on one processor: an answer.  nethttp PORT
package main

import (
	"net/http"
	"os"
	"runtime"
)

func main() {
	runtime.GOMAXPROCS(1)
	hello := []byte("Hello, World!")
	http.HandleFunc("/plaintext", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Server", "go")
		w.Write(hello)
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
