'use strict'
// Haraka asks poplock whether a client may relay, at each recipient that isn't ours.
//
// Put it behind the plugins that accept recipients of your own domains (rcpt_to.in_host_list): what
// they accept is never asked about, so local mail doesn't depend on poplock. poplock needs an answer
// of type "line"; config/poplock.ini names its socket, with  path=/run/poplock/line.sock
//
// yes: the recipient is accepted, and the mail goes out.  no: Haraka's own refusal.  Trouble: a 450.

const net = require('node:net')

const PATIENCE = 3000 // milliseconds; poplock itself waits a quarter of a second for a login
const LONGEST = 64 // bytes of an answer

exports.register = function () {
    this.socket = this.config.get('poplock.ini').main.path || '/run/poplock/line.sock'
    this.register_hook('rcpt', 'may_relay')
}

exports.may_relay = function (next, connection) {
    ask(this.socket, connection.remote.ip, (word) => {
        if (word === 'yes') {
            connection.relaying = true
            return next(OK)
        }
        if (word === 'no') return next()
        connection.logerror(this, `no answer from ${this.socket}: ${word}`)
        next(DENYSOFT, 'relay authorization unavailable, try again later')
    })
}

function ask(path, ip, told) {
    let word = ''
    const socket = net.connect(path)
    const end = (what) => {
        socket.destroy()
        told(what)
        told = () => {}
    }
    socket.setTimeout(PATIENCE, () => end('timeout'))
    socket.on('error', (error) => end(error.code))
    socket.on('connect', () => socket.write(`check ${ip}\n`))
    socket.on('data', (data) => {
        word += data.toString('latin1')
        if (word.length > LONGEST) end('too long')
    })
    socket.on('end', () => end(word))
}
