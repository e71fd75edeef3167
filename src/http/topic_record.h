/*
 * What workers tell one another about topics: records, in the order of their backend. Numbers are
 * sent high byte first, so that machines of all kinds understand one another.
 */
#ifndef SPI_TOPIC_RECORD_H
#define SPI_TOPIC_RECORD_H

#include <spout/base.h>

typedef enum spi_record_kind {
    SPI_RECORD_JOIN = 1, /* rest: the member's info */
    SPI_RECORD_LEAVE,    /* neither name nor rest */
    SPI_RECORD_PUBLISH   /* rest: the message */
} spi_record_kind;

typedef struct spi_record {
    spi_record_kind kind;
    bool flag;       /* JOIN: the name is a pattern. PUBLISH: the message is binary */
    uint64_t number; /* of the member, or of the publication, as its worker counts them */
    spout_bytes name, rest;
} spi_record;

enum { SPI_RECORD_HEAD = 12, SPI_TOPIC_MAX_NAME = 255, SPI_TOPIC_MAX_INFO = 4000 };

/* The head, which name and rest follow. */
void spi_record_head(char out[SPI_RECORD_HEAD], const spi_record *record);

/* Views into `bytes`. False if that is no record, or holds text that isn't UTF-8. */
bool spi_record_parse(spout_bytes bytes, spi_record *ret_record);

#endif
