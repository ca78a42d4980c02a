/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: rpc.discover: the OpenRPC document, derived from the tables of methods, parameters, schemas and error codes. */
#include "rpc/conn.h"

#include <stdio.h>

/* The first version of the specification that has what is used here. */
#define OPENRPC_VERSION "1.2.6"

static void write_param(const struct rpc_param *row, struct json_out *out)
{
	json_out_open_object(out);
	json_out_member_str(out, "name", row->name);
	json_out_member_str(out, "description", row->doc);
	json_out_member_bool(out, "required", row->required);
	json_out_key(out, "schema");
	params_write_schema(row, out);
	json_out_close_object(out);
}

static void write_method(const struct rpc_method *method, struct json_out *out)
{
	char ref[96];

	json_out_open_object(out);
	json_out_member_str(out, "name", method->name);
	json_out_member_str(out, "summary", method->doc);
	json_out_member_str(out, "paramStructure", "either");
	json_out_key(out, "params");
	json_out_open_array(out);
	for (size_t i = 0; i < method->params_n; i++) {
		if (method->params[i].type != PARAM_REST)
			write_param(&method->params[i], out);
	}
	json_out_close_array(out);
	json_out_key(out, "result");
	(void)snprintf(ref, sizeof(ref), "{\"name\":\"result\",\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}", method->result);
	json_out_raw(out, ref);
	json_out_member_str(out, "x-access", access_class_name(method->access));
	json_out_member_str(out, "x-since", method->since);
	json_out_close_object(out);
}

RPC_HANDLER(rpc_discover)
{
	size_t n;
	const struct rpc_method *methods = rpc_methods(&n);

	(void)call;
	(void)err;
	json_out_open_object(out);
	json_out_member_str(out, "openrpc", OPENRPC_VERSION);
	json_out_key(out, "info");
	json_out_open_object(out);
	json_out_member_str(out, "title", "zinit");
	json_out_member_str(out, "version", ZINIT_VERSION);
	json_out_close_object(out);
	json_out_key(out, "methods");
	json_out_open_array(out);
	for (size_t i = 0; i < n; i++)
		write_method(&methods[i], out);
	json_out_close_array(out);
	json_out_key(out, "components");
	json_out_open_object(out);
	json_out_key(out, "schemas");
	rpc_schemas_write(out);
	json_out_close_object(out);
	json_out_key(out, "x-errors");
	rpc_error_write_table(out);
	json_out_close_object(out);
	return RPC_DONE;
}
