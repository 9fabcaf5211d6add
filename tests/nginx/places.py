"""A location for each way in which nginx passes a request on, and each policy."""

CONF = """
send_timeout 1s;
location /finish/ { outlive_disconnect finish; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /raw/ { outlive_disconnect finish; proxy_buffering off; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /stream/ { outlive_disconnect finish; proxy_request_buffering off; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /small/ { outlive_disconnect finish; proxy_max_temp_file_size 0; gzip on; gzip_min_length 0; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /slow/ { outlive_disconnect finish; limit_rate 100; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /auto/ { outlive_disconnect auto; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /stop/ { outlive_disconnect stop; proxy_ignore_client_abort on; proxy_pass http://127.0.0.1:@BACKEND@/; }
location /off/ { outlive_disconnect off; proxy_pass http://127.0.0.1:@BACKEND@/; }
"""
