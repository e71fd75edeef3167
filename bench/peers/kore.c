/* A module for kore, which its configuration loads. */
#include <kore/kore.h>

#include <kore/http.h> /* needs the first */
#include <time.h>

int plaintext(struct http_request *request);

/* Its sandbox lets nobody read the time zone later. */
__attribute__((constructor)) static void read_time_zone(void)
{
    tzset();
}

int plaintext(struct http_request *request)
{
    http_response_header(request, "content-type", "text/plain");
    http_response_header(request, "date", kore_time_to_date(time(NULL)));
    http_response(request, 200, "Hello, World!", 13);
    return KORE_RESULT_OK;
}
