/* A client's sessions, so that the next connection to the same host is cheaper. */
#include "net/tls_context.h"

#include "base/memory.h"

#include <strings.h>

enum { SESSIONS_MAX = 64 };

typedef struct kept_session {
    spi_list node;
    SSL_SESSION *session;
    char *server_name;
} kept_session;

static void forget(spout_tls *tls, kept_session *kept)
{
    spi_list_remove(&kept->node);
    tls->session_count--;
    SSL_SESSION_free(kept->session);
    spi_free(kept->server_name);
    spi_free(kept);
}

static kept_session *find(spout_tls *tls, const char *server_name)
{
    for (spi_list *node = tls->sessions.next; node != &tls->sessions; node = node->next) {
        kept_session *kept = spi_container(node, kept_session, node);
        if (strcasecmp(kept->server_name, server_name) == 0)
            return kept;
    }
    return NULL;
}

/* Each ticket is used once, so that nobody on the way can link connections by it (RFC 8446,
   C.4). */
SSL_SESSION *spi_tls_session_take(spout_tls *tls, const char *server_name)
{
    kept_session *kept = find(tls, server_name);
    if (!kept)
        return NULL;
    SSL_SESSION *session = kept->session;
    kept->session = NULL;
    forget(tls, kept);
    return session;
}

int spi_tls_session_keep(SSL *ssl, SSL_SESSION *session)
{
    const spi_tls_peer *peer = SSL_get_app_data(ssl);
    if (!peer->server_name || !SSL_SESSION_is_resumable(session))
        return 0;
    spout_tls *tls = peer->tls;
    kept_session *kept = find(tls, peer->server_name);
    if (kept) {
        forget(tls, kept);
    } else if (tls->session_count >= SESSIONS_MAX) {
        forget(tls, spi_container(tls->sessions.prev, kept_session, node));
    }
    kept = spi_calloc(sizeof *kept);
    kept->session = session;
    kept->server_name = spi_strdup(peer->server_name);
    spi_list_push_front(&tls->sessions, &kept->node);
    tls->session_count++;
    return 1; /* the reference is ours */
}

void spi_tls_sessions_free(spout_tls *tls)
{
    spi_list *node;
    while ((node = spi_list_first(&tls->sessions)))
        forget(tls, spi_container(node, kept_session, node));
}
