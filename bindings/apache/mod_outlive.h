/*
 * mod_outlive for other modules: what a request's outlive_request is, whether to go on, sections without a stop, shutdown
 * functions.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * All are optional functions of httpd: nothing has to be linked, and a module that uses them loads without mod_outlive, too:
 *
 *     static APR_OPTIONAL_FN_TYPE(outlive_mod_check) *check;                     // NULL: mod_outlive is not loaded
 *     static void retrieve(void) { check = APR_RETRIEVE_OPTIONAL_FN(outlive_mod_check); }
 *     ap_hook_optional_fn_retrieve(retrieve, NULL, NULL, APR_HOOK_MIDDLE);       // in register_hooks
 *
 * Every function is for the thread that handles the request, from the fixups on to the end of the handler; a subrequest and
 * what an internal redirect leads to are the same client's. example/mod_outlive_example.c uses them all in 40 lines.
 */
#ifndef MOD_OUTLIVE_H
#define MOD_OUTLIVE_H

#include <apr_optional.h>
#include <httpd.h>
#include <outlive.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A shutdown function: `ending` is one of OUTLIVE_ENDING_…. `data` was given when it was registered. */
typedef void (*outlive_mod_shutdown)(request_rec *r, int ending, void *data);

/**
 * The request's handle, for everything that outlive.h offers; begun by the first call, if not before. It belongs to mod_outlive, which ends
 * it when the handler has returned. NULL: OutliveEngine is off here, the request has ended, or it could not begin (see the error log).
 */
APR_DECLARE_OPTIONAL_FN(outlive_request *, outlive_mod_request, (request_rec * r));

/**
 * A safe point, in nanoseconds: OUTLIVE_OK: go on. OUTLIVE_STOP: return from the handler now; mod_outlive sees to the status.
 * Where there is no request: OUTLIVE_STOP if httpd knows that the client has gone (r->connection->aborted), else OUTLIVE_OK.
 */
APR_DECLARE_OPTIONAL_FN(int, outlive_mod_check, (request_rec * r));

/** 1: the client has gone, as far as anybody knows, whatever follows from it. 0: it has not. */
APR_DECLARE_OPTIONAL_FN(int, outlive_mod_is_gone, (request_rec * r));

/** Begins a section in which no stop is delivered; nestable. OUTLIVE_OK, also where there is no request. */
APR_DECLARE_OPTIONAL_FN(int, outlive_mod_hold, (request_rec * r));

/** Ends the section. The last release is a safe point, as outlive_mod_check. OUTLIVE_ERROR_STAGE: nothing was held. */
APR_DECLARE_OPTIONAL_FN(int, outlive_mod_release, (request_rec * r));

/**
 * Registers a function that runs once, after the handler has returned, whatever the ending, in the order of registration. The
 * request and its pool are still there; the response can no longer be written to. Where there is no request it runs when the
 * request's pool is cleared, with OUTLIVE_ENDING_NONE, so that it always runs. OUTLIVE_OK, or what
 * outlive_request_register_shutdown_function answers.
 */
APR_DECLARE_OPTIONAL_FN(int, outlive_mod_register, (request_rec * r, outlive_mod_shutdown function, void *data));

#ifdef __cplusplus
}
#endif

#endif
