// SPDX-License-Identifier: ISC
// Copyright (c) 2026 The wharfd authors
//
// node's basic-ftp as a client: see clients.py.
const path = require("path");
const fs = require("fs");
const ftp = require(path.join(__dirname, "../../build/cache/node/node_modules/basic-ftp"));

async function main() {
	const [host, port, user, password, , tls, job, from, to] = process.argv.slice(2);
	const [kind, version, ca] = tls.split(",");
	const client = new ftp.Client(60000);
	const protocol = "TLSv" + version;
	await client.access({
		host, port: Number(port), user, password,
		secure: { clear: false, explicit: true, implicit: "implicit" }[kind],
		secureOptions: kind === "clear" ? undefined :
			{ host, ca: fs.readFileSync(ca), minVersion: protocol, maxVersion: protocol },
	});
	const jobs = {
		put_tree: () => client.uploadFromDir(from, to),
		get_tree: () => client.downloadToDir(to, from),
		put_file: () => client.uploadFrom(from, to),
		get_file: () => client.downloadTo(to, from),
		resume_put: async () => client.appendFrom(from, to, { localStart: await client.size(to) }),
		resume_get: () => client.downloadTo(to, from, fs.statSync(to).size),
	};
	await jobs[job]();
	client.close();
}

main().catch((e) => {
	console.error(e);
	process.exit(1);
});
