/* A module for kore, which its configuration loads. */
#include <kore/kore.h>

#include <kore/http.h> /* needs the first */

int plaintext(struct http_request *request);

int plaintext(struct http_request *request)
{
    http_response_header(request, "content-type", "text/plain");
    http_response(request, 200, "Hello, World!", 13);
    return KORE_RESULT_OK;
}
