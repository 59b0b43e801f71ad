/* Records on the receiving side: private copies, read one after the other. */
#include "inbox.h"

#include <stdlib.h>
#include <string.h>

void psn_inbox_init(psn_inbox *inbox) {
    inbox->data = inbox->small;
    inbox->used = inbox->count = 0;
    inbox->capacity = sizeof inbox->small;
}

void psn_inbox_clear(psn_inbox *inbox) {
    if (inbox->data != inbox->small) {
        free(inbox->data);
    }
    psn_inbox_init(inbox);
}

char *psn_inbox_room(psn_inbox *inbox, size_t length) {
    if (PSN_UNLIKELY(inbox->capacity - inbox->used < length)) {
        size_t capacity = inbox->capacity * 2 + length;
        char *grown = inbox->data == inbox->small ? malloc(capacity) : realloc(inbox->data, capacity);
        if (grown == NULL) {
            return NULL;
        }
        if (inbox->data == inbox->small) {
            memcpy(grown, inbox->small, inbox->used);
        }
        inbox->data = grown;
        inbox->capacity = capacity;
    }
    return inbox->data + inbox->used;
}

bool psn_inbox_next(const psn_inbox *inbox, size_t *cursor, psn_message *message) {
    if (*cursor >= inbox->used) {
        return false;
    }
    const char *at = inbox->data + *cursor;
    const psn_record *record = (const psn_record *)(const void *)at;
    message->kind = record->kind;
    message->slice_count = record->slice_count;
    message->size = record->size;
    message->slices = (const psn_slice *)(const void *)(at + sizeof *record);
    message->data = message->slices + record->slice_count;
    *cursor += psn_record_length(record->size, record->slice_count);
    return true;
}
