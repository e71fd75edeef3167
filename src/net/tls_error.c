/* OpenSSL's errors in words. */
#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

/* Alerts that came from the peer are among the reasons, from here on. */
enum { FIRST_ALERT = SSL_AD_REASON_OFFSET, LAST_ALERT = SSL_AD_REASON_OFFSET + 255 };

bool spi_tls_error_is_plain_http(void)
{
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    return ERR_GET_LIB(error) == ERR_LIB_SSL &&
           (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST);
}

bool spi_tls_error_is_alert(void)
{
    unsigned long error = ERR_peek_last_error();
    int reason = ERR_GET_REASON(error);
    return ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= FIRST_ALERT && reason <= LAST_ALERT;
}

/* OpenSSL's own table ends before TLS 1.3. */
static const char *alert_words(int alert)
{
    return alert == SSL_AD_CERTIFICATE_REQUIRED ? "certificate required"
           : alert == SSL_AD_MISSING_EXTENSION  ? "missing extension"
                                                : SSL_alert_desc_string_long(alert);
}

/* Empties the queue. It may not say so that there was no memory, but then it says nothing. */
static bool tells_of_memory(void)
{
    unsigned long error = ERR_get_error();
    bool found = !error;
    for (; error; error = ERR_get_error())
        found = found || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
    return found;
}

/* The first error is the cause; later ones tell where it was noticed. Only lack of memory is often
   noticed late. */
/* What reading a file of something else ends with. */
static bool is_no_pem(unsigned long error)
{
    return (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE) ||
           (ERR_GET_LIB(error) == ERR_LIB_OSSL_DECODER &&
               ERR_GET_REASON(error) == ERR_R_UNSUPPORTED);
}

const char *spi_tls_error_words(char *out, size_t size)
{
    unsigned long error = ERR_peek_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    int number = ERR_GET_REASON(error);
    bool ssl = ERR_GET_LIB(error) == ERR_LIB_SSL;
    if (tells_of_memory())
        snprintf(out, size, "out of memory");
    else if (ssl && number >= FIRST_ALERT && number <= LAST_ALERT)
        snprintf(out, size, "the peer refused: %s", alert_words(number - SSL_AD_REASON_OFFSET));
    else if (ssl && (number == SSL_R_HTTP_REQUEST || number == SSL_R_HTTPS_PROXY_REQUEST))
        snprintf(out, size, "the peer speaks plain HTTP");
    else if (ssl && number == SSL_R_WRONG_VERSION_NUMBER)
        snprintf(out, size, "the peer does not speak TLS");
    else if (ssl && number == SSL_R_UNSUPPORTED_PROTOCOL)
        snprintf(out, size, "no common version: TLS 1.2 is the least");
    else if (is_no_pem(error))
        snprintf(out, size, "it holds none in PEM");
    else
        snprintf(out, size, "%s", reason ? reason : "no reason known");
    return out;
}

static const char *verify_words(long result)
{
    switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH: return "host name mismatch";
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return "IP address mismatch";
    case X509_V_ERR_CERT_HAS_EXPIRED: return "it has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID: return "it is not valid yet";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return "self-signed, and not trusted";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return "of an unknown authority";
    case X509_V_ERR_CERT_REVOKED: return "it is revoked";
    default: return X509_verify_cert_error_string(result);
    }
}

void spi_tls_handshake_words(SSL *ssl, const char *server_name, char *out, size_t size)
{
    unsigned long error = ERR_peek_error();
    bool verifying = ERR_GET_LIB(error) == ERR_LIB_SSL &&
                     ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    if (!verifying) {
        spi_tls_error_words(out, size);
        return;
    }
    ERR_clear_error();
    snprintf(out, size, "certificate of %s: %s", server_name ? server_name : "the peer",
        verify_words(SSL_get_verify_result(ssl)));
}
