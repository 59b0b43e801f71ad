/* Which chunk a ticket stands for, and the short way of single calls; see ticket_book.c. */
#ifndef PROCESSION_TICKET_BOOK_H
#define PROCESSION_TICKET_BOOK_H

#include "chunk_object.h"

typedef struct {
    PyObject_HEAD
    PyObject *tasks;  /* the queue of tasks */
    PyObject *chunks; /* dict: ticket -> Chunk */
    long long next;   /* the ticket that the next message gets */
    Py_ssize_t ended; /* tasks that have ended and are in the table no more */

    /* The short way; NULL until lay_short_way(). */
    PyObject *acquire, *release; /* methods of the engine's lock */
    PyObject *take_back;
    psn_brief_calls *home;
    PyTypeObject *result_type;
    bool is_open; /* whether new calls may go it, and old ones end on it */
    unsigned forks;

    /* What goes it: calls of one function, with what its latest call had.  (Not that call itself: it
     * may hold callbacks, and they the pool.) */
    PyObject *function, *recipe_text;
    psn_single_call *kind;
    bool is_of_main; /* a function of __main__: not while its code is to be sent by value */
} psn_ticket_book;

bool psn_is_ticket_book(PyObject *obj);

/* Holds the engine's lock while calls end on the short way; one for each batch of results. */
typedef struct {
    psn_ticket_book *book;
    bool asked, held;
} psn_short_way;

/* Ends the call of a chunk whose result is there; false: that needs more thought than this. */
bool psn_short_way_end(psn_short_way *way, psn_chunk *chunk);
/* Gives the lock back; -1 with an exception. */
int psn_short_way_leave(psn_short_way *way);

#endif
